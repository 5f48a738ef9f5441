//! One SMTP session: RFC 5321 with AUTH (4954), STARTTLS (3207) and enhanced status codes (2034).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::line::{Lines, NoLine};
use super::{ReceivedMail, Security, Shared};
use crate::{fault_of, lock};

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let acceptor = shared.certificate.acceptor();
    if shared.options.security == Security::Tls {
        if let Ok(stream) = acceptor.accept(stream).await {
            Session::new(stream, &shared, true, true).run().await;
        }
        return;
    }
    if let Some(stream) = Session::new(stream, &shared, false, true).run().await
        && let Ok(stream) = acceptor.accept(stream).await
    {
        Session::new(stream, &shared, true, false).run().await;
    }
}

/// What to do after a command.
enum Next {
    Go,
    StartTls,
    Close,
}

struct Session<'a, S> {
    stream: S,
    lines: Lines,
    shared: &'a Shared,
    encrypted: bool,
    greets: bool,
    helo: String,
    user: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    fn new(stream: S, shared: &'a Shared, encrypted: bool, greets: bool) -> Self {
        Self { stream, lines: Lines::default(), shared, encrypted, greets, helo: String::new(), user: None, from: None, to: None }
    }

    /// Runs until the connection ends (`None`) or TLS begins (the stream).
    async fn run(mut self) -> Option<S> {
        if self.greets {
            let greeting = self.shared.options.greeting.clone();
            self.say(&greeting).await;
        }
        loop {
            let line = self.line(510).await?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let verb = verb.to_ascii_uppercase();
            lock(&self.shared.commands).push(if verb == "AUTH" { verb.clone() } else { line.clone() });
            match self.command(&verb, rest).await? {
                Next::Go => {}
                Next::Close => return None,
                Next::StartTls => return Some(self.stream),
            }
        }
    }

    async fn command(&mut self, verb: &str, rest: &str) -> Option<Next> {
        match verb {
            "EHLO" => self.ehlo(rest).await,
            "STARTTLS" if self.shared.options.security == Security::StartTls && !self.encrypted => {
                if !self.lines.is_empty() {
                    self.violation("pipelined behind STARTTLS".to_owned());
                }
                let injected = self.shared.options.injected_after_starttls.clone().unwrap_or_default();
                self.write(&format!("220 2.0.0 ready\r\n{injected}")).await;
                return Some(Next::StartTls);
            }
            "AUTH" => self.auth(rest).await?,
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" if self.to.is_some() => return self.data().await,
            "RSET" => {
                (self.from, self.to) = (None, None);
                self.say("250 2.0.0 ok").await;
            }
            "NOOP" => self.say("250 2.0.0 ok").await,
            "QUIT" => {
                self.say("221 2.0.0 bye").await;
                return Some(Next::Close);
            }
            _ => {
                self.violation(format!("{verb} out of order or unknown"));
                self.say("503 5.5.1 bad sequence of commands").await;
            }
        }
        Some(Next::Go)
    }

    async fn ehlo(&mut self, name: &str) {
        self.helo = name.to_owned();
        let mut answer = "250-sink.test\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n".to_owned();
        if self.shared.options.security == Security::StartTls && !self.encrypted {
            answer.push_str("250-STARTTLS\r\n");
        } else if self.shared.options.credentials.is_some() {
            answer.push_str(&format!("250-AUTH {}\r\n", self.shared.options.mechanisms));
        }
        self.write(&format!("{answer}250 SIZE 26214400\r\n")).await;
    }

    async fn auth(&mut self, rest: &str) -> Option<()> {
        let Some((user, password)) = self.shared.options.credentials.clone() else {
            self.say("503 5.5.1 no authentication here").await;
            return Some(());
        };
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let text = if initial.is_empty() { self.ask("").await? } else { decode(initial) };
                let mut parts = text.split('\0').skip(1).map(str::to_owned);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            }
            "LOGIN" => {
                let name = if initial.is_empty() { self.ask("VXNlcm5hbWU6").await? } else { decode(initial) };
                (name, self.ask("UGFzc3dvcmQ6").await?)
            }
            _ => {
                self.say("504 5.5.4 unknown mechanism").await;
                return Some(());
            }
        };
        if given == (user.clone(), password) {
            self.user = Some(user);
            self.say("235 2.7.0 accepted").await;
        } else {
            self.say("535 5.7.8 authentication credentials invalid").await;
        }
        Some(())
    }

    async fn mail(&mut self, rest: &str) {
        let options = &self.shared.options;
        if options.security == Security::StartTls && !self.encrypted {
            self.violation("MAIL before STARTTLS".to_owned());
            self.say("530 5.7.0 must issue a STARTTLS command first").await;
        } else if options.credentials.is_some() && self.user.is_none() {
            self.say("530 5.7.0 authentication required").await;
        } else if self.helo.is_empty() || self.from.is_some() {
            self.violation("MAIL out of order".to_owned());
            self.say("503 5.5.1 bad sequence of commands").await;
        } else if let Some(path) = path(rest, "FROM:") {
            self.from = Some(path);
            self.say("250 2.1.0 ok").await;
        } else {
            self.violation(format!("MAIL {rest}"));
            self.say("501 5.5.4 syntax error").await;
        }
    }

    async fn rcpt(&mut self, rest: &str) {
        let Some(path) = path(rest, "TO:").filter(|_| self.from.is_some()) else {
            self.violation(format!("RCPT {rest}"));
            return self.say("501 5.5.4 syntax error").await;
        };
        if self.to.is_some() {
            self.violation("more than one RCPT".to_owned());
            return self.say("452 4.5.3 one recipient only").await;
        }
        match fault_of(&path) {
            "refuse" => self.say(&format!("550-5.1.1 <{path}>: no such\r\n550 5.1.1 mailbox")).await,
            "later" => self.say(&format!("451 4.3.0 <{path}>: try again later")).await,
            _ => {
                self.to = Some(path);
                self.say("250 2.1.5 ok").await;
            }
        }
    }

    async fn data(&mut self) -> Option<Next> {
        self.say("354 go ahead").await;
        let (mut raw, mut wire) = (Vec::new(), Vec::new());
        loop {
            let line = self.line(998).await?;
            if line == b"." {
                break;
            }
            if !line.is_ascii() {
                self.violation("8-bit byte in the message".to_owned());
            }
            wire.extend_from_slice(&line);
            wire.extend_from_slice(b"\r\n");
            raw.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            raw.extend_from_slice(b"\r\n");
        }
        let (from, to) = (self.from.take()?, self.to.take()?);
        match fault_of(&to) {
            "drop" => return None,
            "stall" => std::future::pending::<()>().await,
            "slow" => {
                self.shared.waiting.fetch_add(1, Ordering::SeqCst);
                self.shared.slow.acquire().await.ok()?.forget();
            }
            _ => {}
        }
        let last = fault_of(&to) == "last";
        let queue_id = {
            let mut mail = lock(&self.shared.mail);
            let queue_id = format!("4SINK{:04}", mail.len() + 1);
            let (helo, encrypted, user) = (self.helo.clone(), self.encrypted, self.user.clone());
            mail.push(ReceivedMail { helo, encrypted, user, from, to, raw, wire, queue_id: queue_id.clone() });
            queue_id
        };
        self.say(&format!("250 2.0.0 Ok: queued as {queue_id}")).await;
        Some(if last { Next::Close } else { Next::Go })
    }

    async fn ask(&mut self, prompt: &str) -> Option<String> {
        self.say(&format!("334 {prompt}")).await;
        let line = self.line(12_288).await?;
        Some(decode(&String::from_utf8_lossy(&line)))
    }

    /// The next line; `None` when the connection ended or had to be ended.
    async fn line(&mut self, longest: usize) -> Option<Vec<u8>> {
        match self.lines.next(&mut self.stream, longest).await {
            Ok(line) => Some(line),
            Err(NoLine::Closed) => None,
            Err(NoLine::Violation(what)) => {
                self.violation(what);
                self.say("500 5.5.2 this is not SMTP").await;
                None
            }
        }
    }

    fn violation(&self, what: String) {
        lock(&self.shared.violations).push(what);
    }

    async fn say(&mut self, line: &str) {
        self.write(&format!("{line}\r\n")).await;
    }

    /// A client that went away is noticed at the next read.
    async fn write(&mut self, text: &str) {
        if self.stream.write_all(text.as_bytes()).await.is_ok() {
            self.stream.flush().await.unwrap_or_default();
        }
    }
}

fn decode(text: &str) -> String {
    STANDARD.decode(text.trim()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The address in `FROM:<a@b> …` or `TO:<a@b>`.
fn path(rest: &str, keyword: &str) -> Option<String> {
    let rest = rest.get(..keyword.len()).filter(|start| start.eq_ignore_ascii_case(keyword)).and(rest.get(keyword.len()..))?;
    let (path, _) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    (path.contains('@') && !path.contains([' ', '<', ','])).then(|| path.to_owned())
}
