//! What can go wrong, without a word about status codes: each dialect maps every kind to its own answer.

use std::borrow::Cow;
use std::fmt;

/// A field of a request that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The path of the field, segments joined with `.`; empty for the whole body.
    pub field: String,
    /// What the caller should change, as a sentence without the value.
    pub message: String,
    /// What is wrong with it, for dialects that have a code for that.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Problem {
    /// Not of the form it must have.
    #[default]
    Malformed,
    /// Not there.
    Missing,
    /// Below or above the range of the operation.
    OutOfRange,
    /// Within the range, but longer than the operator allows.
    OverCeiling,
    /// Too many bytes.
    TooLarge,
    /// Too many of them.
    TooMany,
    /// Somebody else has it.
    Taken,
    /// Given where nothing was expected.
    Unexpected,
    /// Well-formed, and not the right one.
    Mismatch,
}

impl FieldError {
    /// A malformed field.
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into(), problem: Problem::Malformed }
    }

    /// The same with what is wrong.
    #[must_use]
    pub fn because(mut self, problem: Problem) -> Self {
        self.problem = problem;
        self
    }
}

/// The kinds of failure. Adding one makes every dialect decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Fields are missing or malformed; every bad field is listed.
    Invalid(Vec<FieldError>),
    /// The target of a redirect is not on the app's allow-list.
    RedirectNotAllowed,
    /// No redirect target was given and the app has no default.
    RedirectRequired,
    /// Who asks is unknown, or the credentials are dead.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// There is no such thing for this caller.
    NotFound,
    /// Somebody else got there first, or the value is taken.
    Conflict,
    /// The link, code or token lived too long.
    Expired,
    /// The link, code or token did its work already, was replaced or was revoked.
    AlreadyUsed,
    /// Too many requests.
    RateLimited {
        /// Which limit, for the operator.
        limit: &'static str,
        /// Whole seconds until another try makes sense; at least 1.
        retry_after: u32,
    },
    /// The operator has not set up what this needs.
    NotConfigured,
    /// The sender refused the message or could not be reached.
    Undeliverable,
    /// Storage or the random generator cannot serve now; trying again is safe.
    Unavailable,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// The stable name of the kind. Texts may change, these may not.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::RedirectNotAllowed => "redirect_not_allowed",
            Self::RedirectRequired => "redirect_required",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Expired => "expired",
            Self::AlreadyUsed => "already_used",
            Self::RateLimited { .. } => "rate_limited",
            Self::NotConfigured => "not_configured",
            Self::Undeliverable => "undeliverable",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// Whole seconds after which trying again makes sense, where that will do.
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            // As long as storage is waited for.
            Self::Unavailable => Some(2),
            _ => None,
        }
    }
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A failure: its kind, a sentence for the caller, and the cause for the log.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    about: &'static str,
    cause: Option<Cause>,
}

/// The engine's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure with a sentence that its caller may see.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), about: "", cause: None }
    }

    /// There is no such thing for this caller.
    pub fn not_found(about: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::NotFound, message).about(about)
    }

    /// Says which thing of the engine it is about, such as `user`, `link`, `session`: for dialects that have a code for each.
    #[must_use]
    pub fn about(mut self, thing: &'static str) -> Self {
        self.about = thing;
        self
    }

    /// Which thing it is about; empty when that is clear without.
    pub fn thing(&self) -> &'static str {
        self.about
    }

    /// One bad field.
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError::new(field, message)])
    }

    /// Several bad fields; the first one's message stands for all.
    pub fn invalid_fields(fields: Vec<FieldError>) -> Self {
        let message = fields.first().map(|f| f.message.clone()).unwrap_or_default();
        Self::new(ErrorKind::Invalid(fields), message)
    }

    /// Storage or another need is away for the moment.
    pub fn unavailable(cause: impl Into<Cause>) -> Self {
        Self::new(ErrorKind::Unavailable, "The service is not available right now; please try again").caused_by(cause)
    }

    /// A defect: the caller learns nothing, the log everything.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::new(ErrorKind::Internal, "Something went wrong on our side").caused_by(cause)
    }

    /// Adds the cause for the log.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether somebody else has what was asked for.
    pub fn is_taken(&self) -> bool {
        matches!(&self.kind, ErrorKind::Invalid(fields) if fields.iter().any(|field| field.problem == Problem::Taken))
    }

    /// The sentence for the caller.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The whole chain of causes in one line, for the log only.
    pub fn log_line(&self) -> String {
        let mut line = format!("{}: {}", self.kind.code(), self.message);
        let mut cause = self.cause.as_deref().map(|c| c as &dyn std::error::Error);
        while let Some(error) = cause {
            line.push_str(&format!(": {error}"));
            cause = error.source();
        }
        line
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|c| c as _)
    }
}
