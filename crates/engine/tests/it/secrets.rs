//! Secrets as types. That they cannot be printed or compared at all is shown by the `compile_fail` examples of [`passlink_engine::secret::Secret`].

use passlink_engine::keys::ServerKeys;
use passlink_engine::secret::{Secret, Token, TokenKind, equal};
use passlink_engine::time::Timestamp;

#[test]
fn sec_05_secrets_do_not_print() {
    let token = Token::new(TokenKind::Session, *b"abcde", Timestamp::from_millis(1_800_000_000_000), [7; 32]);
    let plain = token.expose();
    let keys = ServerKeys::derive(b"a server secret of at least 32 bytes").unwrap();
    let hash = keys.token_hash(&token);
    let printed = format!("{token:?} {plain:?} {hash:?} {keys:?} {:?}", Some(Secret::new("hunter2hunter2".to_owned())));
    assert_eq!(printed, "Token(Session) Secret(…) TokenHash(…) ServerKeys(…) Some(Secret(…))");
}

#[test]
fn sec_05_comparison_looks_at_every_byte() {
    let stored = [7_u8; 32];
    for place in 0..32 {
        let mut other = stored;
        other[place] ^= 1;
        assert!(!equal(&stored, &other), "a difference at byte {place} was missed");
    }
    assert!(equal(&stored, &[7; 32]) && !equal(&stored, &[7; 31]) && !equal(&stored, &[]));
}
