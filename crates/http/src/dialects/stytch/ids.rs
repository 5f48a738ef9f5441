//! Ids on this dialect's wire: `<prefix>-<env>-<uuid>` (contract section 3).

use std::fmt;

use uuid::Uuid;

/// The environment of a project, which stands in all ids. The SDKs decide by the same rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Env {
    Test,
    Live,
}

impl Env {
    pub(super) fn of_project(project_id: &str) -> Self {
        if project_id.starts_with("project-live-") { Self::Live } else { Self::Test }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }

    /// An id as it is shown.
    pub(super) fn show(self, prefix: &str, id: impl fmt::Display) -> String {
        format!("{prefix}-{}-{id}", self.name())
    }

    /// The UUID of an id that was shown by [`Env::show`].
    pub(super) fn read(self, prefix: &str, text: &str) -> Option<Uuid> {
        let rest = text.strip_prefix(prefix)?.strip_prefix('-')?.strip_prefix(self.name())?.strip_prefix('-')?;
        // Only the one form that is shown: 36 lower-case characters.
        let id = Uuid::try_parse(rest).ok()?;
        (rest.len() == 36 && !rest.bytes().any(|b| b.is_ascii_uppercase())).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_shown_and_no_other_way() {
        let id = Uuid::from_u128(0x0193_8a6e_6c1c_7e21_8c8b_0123_4567_89ab);
        let text = Env::Test.show("user", id);
        assert_eq!(text, "user-test-01938a6e-6c1c-7e21-8c8b-0123456789ab");
        assert_eq!(Env::Test.read("user", &text), Some(id));
        assert_eq!(Env::Live.read("user", &text), None);
        assert_eq!(Env::Test.read("session", &text), None);
        for bad in [id.to_string(), text.to_uppercase(), format!("{text} "), text.replace("01938a6e-6c1c", "01938A6E-6c1c")] {
            assert_eq!(Env::Test.read("user", &bad), None, "{bad}");
        }
        assert_eq!(Env::of_project("project-live-x"), Env::Live);
        assert_eq!(Env::of_project("anything"), Env::Test);
    }
}
