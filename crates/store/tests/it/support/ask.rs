//! What people do: ask, read their mail, redeem.

use passlink_engine::Engine;
use passlink_engine::apps::App;
use passlink_engine::caller::Caller;
use passlink_engine::email_address::EmailAddress;
use passlink_engine::ids::LinkId;
use passlink_engine::links::Handover;
use passlink_engine::links::issue::{IssueLink, Requester};
use passlink_engine::links::open::BrowserProof;
use passlink_engine::links::redeem::{CodeFor, Redeemed, Redemption, Right};
use passlink_engine::redirects::{Origin, RedirectTarget, RelativePath};
use passlink_engine::secret::Token;
use std::sync::Arc;

use super::World;

/// A mail that came, with the browser that asked for it.
#[derive(Clone)]
pub struct Mailed {
    pub id: LinkId,
    pub token: String,
    pub code: String,
    /// Holds the proof that it asked.
    pub asked: BrowserProof,
}

pub fn address(text: &str) -> EmailAddress {
    text.parse().unwrap()
}

/// A browser that saw one of our pages and asked for nothing.
pub fn browser(page: &str) -> BrowserProof {
    BrowserProof { requester: None, page: Some(page.to_owned()) }
}

pub fn target(path: &str) -> RedirectTarget {
    let origin = Origin::parse("https://app.example.com").unwrap();
    RedirectTarget::callback(&origin, &RelativePath::parse(path).unwrap(), "next", None).unwrap()
}

/// How a link is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A browser that keeps its proof: others may only approve.
    Bound,
    /// Nobody in particular: whoever presses the button.
    Unbound,
}

impl World {
    pub fn proof(&self, app: &App) -> Token {
        self.engine.new_requester_proof(app).unwrap()
    }

    /// The command of a browser that asks.
    pub fn command(&self, to: &str, handover: Handover, asker: Asker, proof: &Token) -> IssueLink {
        let requester = (asker == Asker::Bound).then(|| Requester { proof: proof.clone(), bound: true, number_shown: true });
        IssueLink::sign_in_by_mail(address(to), Some(target("/auth/callback")), handover, requester)
    }

    /// Asks for a link and reads the mail.
    pub async fn mail_from(&self, engine: &Engine, app: &Arc<App>, to: &str, handover: Handover, asker: Asker) -> Mailed {
        self.clock.tick();
        let proof = self.proof(app);
        let caller = Caller::anonymous(Arc::clone(app), self.context());
        let issued = engine.issue_link(&caller, self.command(to, handover, asker, &proof)).await.unwrap();
        self.clock.tick();
        engine.dispatch_due(100).await.unwrap();
        self.clock.tick();
        let requester = (asker == Asker::Bound).then_some(proof);
        self.read_mail(issued.id, to, BrowserProof { requester, page: None })
    }

    /// The newest mail to this address, as answer to a request.
    pub fn read_mail(&self, id: LinkId, to: &str, asked: BrowserProof) -> Mailed {
        let message = self.sender.last_to(address(to).as_str()).expect("no mail came");
        let link = message.link.unwrap();
        let token = link.expose().rsplit_once("/l/").unwrap().1.to_owned();
        let code = message.code.unwrap().expose().to_owned();
        Mailed { id, token, code, asked }
    }

    /// A bound link whose session is a cookie.
    pub async fn mail(&self, to: &str) -> Mailed {
        self.mail_from(&self.engine, &self.app, to, Handover::Cookie, Asker::Bound).await
    }

    /// A link that anybody may redeem by pressing the button.
    pub async fn mail_unbound(&self, to: &str) -> Mailed {
        self.mail_from(&self.engine, &self.app, to, Handover::Cookie, Asker::Unbound).await
    }

    /// The browser that asked opens the link.
    pub async fn open(&self, mailed: &Mailed) -> Redemption {
        self.engine.redeem_link(&self.context(), &mailed.token, &mailed.asked, Right::Opened).await.unwrap()
    }

    /// Some browser presses the button.
    pub async fn press(&self, mailed: &Mailed, browser: &BrowserProof) -> Redemption {
        self.engine.redeem_link(&self.context(), &mailed.token, browser, Right::Pressed).await.unwrap()
    }

    /// The browser that asked types a code.
    pub async fn type_code(&self, mailed: &Mailed, code: &str) -> Redemption {
        let request = CodeFor::Request(mailed.id);
        self.engine.redeem_code(&self.context(), request, code, &mailed.asked).await.unwrap()
    }

    /// From nothing to a session, in the browser that asked.
    pub async fn sign_in(&self, to: &str, handover: Handover) -> Redeemed {
        let app = Arc::clone(&self.app);
        self.sign_in_to(&app, to, handover).await
    }

    pub async fn sign_in_to(&self, app: &Arc<App>, to: &str, handover: Handover) -> Redeemed {
        let mailed = self.mail_from(&self.engine, app, to, handover, Asker::Bound).await;
        let redeemed = done(self.open(&mailed).await);
        self.clock.tick();
        redeemed
    }
}

/// It must have worked.
pub fn done(redemption: Redemption) -> Redeemed {
    match redemption {
        Redemption::Done(redeemed) => *redeemed,
        other => panic!("not redeemed: {}", name(&other)),
    }
}

/// What became of a try, in a word; a dead one with its reason.
pub fn name(redemption: &Redemption) -> String {
    match redemption {
        Redemption::Done(_) => "done".to_owned(),
        Redemption::Before { .. } => "before".to_owned(),
        Redemption::ProveElsewhere => "elsewhere".to_owned(),
        Redemption::WrongCode { left } => format!("wrong code, {left} left"),
        Redemption::NotApproved => "not approved".to_owned(),
        Redemption::Dead { reason, .. } => format!("dead: {}", reason.code()),
    }
}

/// The texts of a session's tokens.
pub fn texts(redeemed: &Redeemed) -> Vec<String> {
    let both = [&redeemed.tokens.session, &redeemed.tokens.refresh];
    both.into_iter().flatten().map(|token| token.expose().expose().to_owned()).collect()
}

pub fn session_token(redeemed: &Redeemed) -> String {
    redeemed.tokens.session.as_ref().expect("a session token").expose().expose().to_owned()
}

pub fn refresh_token(redeemed: &Redeemed) -> String {
    redeemed.tokens.refresh.as_ref().expect("a refresh token").expose().expose().to_owned()
}
