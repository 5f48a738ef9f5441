//! passlink-testkit: doubles that speak the real protocols on loopback.
//!
//! Each double keeps what it accepted, so that a test can look at every byte, and fails on purpose when the recipient's
//! local part says so. They are strict: what a provider would refuse is refused here. Nothing in the product depends on this crate.
//!
//! Start reading at [`smtp::SmtpSink`], [`mailgun::MailgunFake`] or [`webhook::WebhookSink`].

pub mod mailgun;
pub mod smtp;
pub mod tls;
pub mod webhook;

/// The part of an address that chooses a fault: before the `@`, and before a `+` if there is one.
pub(crate) fn fault_of(address: &str) -> &str {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    local.split('+').next().unwrap_or(local)
}

/// Locks without caring whether another test thread panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
