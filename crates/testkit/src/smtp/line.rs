//! Lines as SMTP wants them: ended by CRLF, with neither CR nor LF inside.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads lines and keeps what was received beyond them.
#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
}

/// Why there is no line.
pub(super) enum NoLine {
    /// The connection ended.
    Closed,
    /// The client broke the rules in this way.
    Violation(String),
}

impl Lines {
    /// The next line without its CRLF.
    pub(super) async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin), longest: usize) -> Result<Vec<u8>, NoLine> {
        loop {
            if let Some(at) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
                line.pop();
                return match line.pop() {
                    Some(b'\r') if line.contains(&b'\r') => Err(NoLine::Violation("bare CR".to_owned())),
                    Some(b'\r') if line.contains(&0) => Err(NoLine::Violation("NUL byte".to_owned())),
                    Some(b'\r') if line.len() > longest => Err(NoLine::Violation(format!("line of {} bytes", line.len()))),
                    Some(b'\r') => Ok(line),
                    _ => Err(NoLine::Violation("bare LF".to_owned())),
                };
            }
            if self.buffer.len() > 4 * 1024 * 1024 {
                return Err(NoLine::Violation("endless line".to_owned()));
            }
            match stream.read_buf(&mut self.buffer).await {
                Ok(0) | Err(_) => return Err(NoLine::Closed),
                Ok(_) => {}
            }
        }
    }

    /// Whether the client sent more than it was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}
