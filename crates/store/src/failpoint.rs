//! Moments at which a test ends the whole process, as a loss of power would (`security.md` 46).
//!
//! One line each where they belong, and nothing at all in builds without debug assertions; the variable `FAILPOINT` of `passlink serve` names one.
//! What is armed belongs to the process and not to a store, for it is the process that dies, and bodies are plain functions without a store: hence a
//! static.

use std::sync::OnceLock;

static ARMED: OnceLock<Failpoint> = OnceLock::new();

macro_rules! failpoints {
    ($($(#[$doc:meta])+ $name:ident,)+) => {
        /// The moments, in the order in which a link meets them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Failpoint { $($(#[$doc])+ $name),+ }

        impl Failpoint {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];
        }
    };
}

failpoints! {
    /// A link is checked and about to be written.
    LinkChecked,
    /// It is written with its message, and not committed.
    LinkWritten,
    /// It is committed, and the answer is not sent.
    LinkCommitted,
    /// Messages are taken for sending, and that is not committed.
    MailTaken,
    /// That is committed, and nothing is sent.
    MailClaimed,
    /// The mail server has taken a message, and nobody has noted it.
    MailAccepted,
    /// It is noted, and not committed.
    MailNoted,
    /// That is committed.
    MailDone,
    /// A redemption is allowed and about to be written.
    RedeemAllowed,
    /// The link is consumed and the session written, and neither is committed.
    RedeemWritten,
    /// Both are committed, and the answer is not sent.
    RedeemCommitted,
}

impl Failpoint {
    /// From now on this process ends when it comes to the moment of this name; answers whether there is one.
    pub fn arm(name: &str) -> bool {
        Self::ALL.iter().find(|point| format!("{point:?}") == name).is_some_and(|point| ARMED.set(*point).is_ok())
    }

    pub(crate) fn reached(self) {
        if cfg!(debug_assertions) && ARMED.get() == Some(&self) {
            std::process::abort();
        }
    }
}
