//! Limits: GCRA (a leaky bucket kept as one instant a key), shared by all replicas through storage.
//!
//! Small budgets are taken one by one. Large ones are leased: a replica takes a fortieth of the budget in one write and spends it in memory, so that a
//! busy app does not write one hot row for every request. A lease that is never spent errs on the side of refusing, by at most 2.5 %
//! for each replica.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::lock::Mutex as AsyncMutex;
use serde::{Deserialize, Serialize};

use crate::Engine;
use crate::caller::Caller;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, EventKind};
use crate::ids::GroupId;
use crate::keys::ServerKeys;
use crate::ports::Draw;
use crate::time::{Lifetime, Timestamp};

/// So many within so long: `count` at once, refilled evenly over `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Limit {
    count: u32,
    per: Lifetime,
}

/// Why a text is no [`Limit`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a limit such as \"5 per 15m\"")]
pub struct InvalidLimit;

impl Limit {
    /// `count` per `per`.
    pub const fn new(count: u32, per: Lifetime) -> Self {
        Self { count, per }
    }

    /// Seconds after which a full limit has room for one more, at least 1.
    pub fn retry_after(self) -> u32 {
        let millis = self.per.as_millis() / i64::from(self.count.max(1));
        u32::try_from(millis.div_euclid(1000)).unwrap_or(u32::MAX).max(1)
    }

    /// Reads `5 per 15m`.
    ///
    /// # Errors
    /// [`InvalidLimit`] for zero and every other form.
    pub fn parse(text: &str) -> Result<Self, InvalidLimit> {
        let (count, per) = text.split_once(" per ").ok_or(InvalidLimit)?;
        let count: u32 = count.trim().parse().map_err(|_| InvalidLimit)?;
        let per = Lifetime::parse(per).map_err(|_| InvalidLimit)?;
        // One unit must cost at least a microsecond's share of what storage keeps.
        if count == 0 || per.as_millis() * 1000 / i64::from(count) == 0 {
            return Err(InvalidLimit);
        }
        Ok(Self { count, per })
    }

    /// Microseconds that one unit fills.
    const fn interval(self) -> i64 {
        self.per.as_millis() * 1000 / self.count as i64
    }

    /// The step of storage that takes so many units from the bucket of `key`.
    pub(crate) const fn take(self, key: Vec<u8>, units: u32) -> Take {
        Take { key, cost: self.interval() * units as i64, capacity: self.per.as_millis() * 1000 }
    }

    /// How many units one lease takes: 1 for budgets too small to share out.
    const fn lease(self) -> u32 {
        if self.count >= 200 { self.count / 40 } else { 1 }
    }
}

impl TryFrom<String> for Limit {
    type Error = InvalidLimit;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        format!("{} per {}", limit.count, limit.per)
    }
}

/// One step of storage: takes room in the bucket of `key`.
#[derive(Clone, Debug)]
pub struct Take {
    /// Which bucket: a keyed hash, so that the table tells nothing.
    pub key: Vec<u8>,
    /// Microseconds the taken units fill.
    pub cost: i64,
    /// Microseconds the bucket holds.
    pub capacity: i64,
}

/// What storage answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// There was room, and it is taken.
    Allowed {
        /// The instant, in microseconds, at which the bucket is empty again.
        until: i64,
    },
    /// There is none before this many microseconds have passed; nothing was taken.
    Full {
        /// Microseconds until the cost fits.
        wait: i64,
    },
}

/// What is left of a limit, for callers who are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// How many at once.
    pub limit: u32,
    /// How many more now, as far as this server knows.
    pub remaining: u32,
    /// When all of it is there again, if nobody asks.
    pub resets_at: Timestamp,
}

impl Room {
    /// All of a limit.
    pub const fn whole(limit: Limit, now: Timestamp) -> Self {
        Self { limit: limit.count, remaining: limit.count, resets_at: now }
    }

    /// Nothing, for so many seconds.
    pub const fn none(limit: Limit, now: Timestamp, seconds: u32) -> Self {
        Self { limit: limit.count, remaining: 0, resets_at: now.plus(Lifetime::from_secs(seconds as i64)) }
    }

    /// By the instant at which the bucket is empty again, and what this server holds of it.
    fn of(limit: Limit, until: i64, held: u32, now: Timestamp) -> Self {
        let free = limit.per.as_millis() * 1000 - (until - now.as_millis() * 1000);
        let free = u32::try_from(free.max(0) / limit.interval().max(1)).unwrap_or(limit.count);
        // Rounded up, so that at that instant it is true.
        let resets_at = Timestamp::from_millis((until + 999) / 1000);
        Self { limit: limit.count, remaining: (free + held).min(limit.count), resets_at }
    }
}

/// Storage of limits. Durability is not needed: a crash may forgive a few requests.
#[async_trait::async_trait]
pub trait LimitStore: Send + Sync {
    /// Takes atomically.
    async fn take(&self, take: Take, now: Timestamp) -> Result<Taken>;
}

/// One limit to apply to one subject.
#[derive(Clone, Debug)]
pub(crate) struct Want<'a> {
    /// The limit's name, for the operator and the caller's error.
    pub name: &'static str,
    /// Whom it counts.
    pub subject: &'a [&'a [u8]],
    pub limit: Limit,
}

#[derive(Default)]
struct Lease {
    left: u32,
    until: i64,
    /// When the bucket is empty again, as storage said last.
    empty_at: i64,
}

#[derive(Default)]
struct Leased {
    lease: AsyncMutex<Lease>,
    /// How often storage could not be asked.
    failures: AtomicU64,
}

/// Applies limits; keeps this replica's leases.
#[derive(Default)]
pub(crate) struct Limiter {
    /// When each full bucket was last told of.
    told: Mutex<HashMap<Vec<u8>, Timestamp>>,
    leases: Mutex<HashMap<Vec<u8>, Arc<Leased>>>,
}

impl Limiter {
    /// How many leases are kept before idle ones are dropped.
    const MOST_LEASES: usize = 10_000;
    /// A full bucket is told of once in this time, so that a flood of requests makes no flood of events.
    const TELL_MILLIS: i64 = 60_000;
    /// Unspent leases end after this long, so that their budget does not linger.
    const LEASE_MILLIS: i64 = 10_000;

    /// Takes one unit; what is left.
    ///
    /// # Errors
    /// `RateLimited` with the limit's name when there is none left.
    pub(crate) async fn take(&self, store: &dyn LimitStore, keys: &ServerKeys, now: Timestamp, want: Want<'_>) -> Result<Room> {
        let key = keys.digest(want.name, want.subject);
        let units = want.limit.lease();
        if units == 1 {
            let until = Self::take_units(store, &key, 1, now, &want).await?;
            return Ok(Room::of(want.limit, until, 0, now));
        }
        let leased = self.leased(&key, now);
        let failures = leased.failures.load(Ordering::Acquire);
        let mut lease = leased.lease.lock().await;
        // Whoever waited while storage was asked in vain would only do the same, one after the other: all of them are told at once.
        if leased.failures.load(Ordering::Acquire) != failures {
            return Err(Error::unavailable("a limit could not be counted"));
        }
        if lease.left == 0 || lease.until <= now.as_millis() {
            (lease.left, lease.empty_at) = match Self::lease_units(store, &key, units, now, &want).await {
                Ok(leased) => leased,
                Err(error) => {
                    if !matches!(error.kind(), ErrorKind::RateLimited { .. }) {
                        leased.failures.fetch_add(1, Ordering::Release);
                    }
                    return Err(error);
                }
            };
            lease.until = now.as_millis() + Self::LEASE_MILLIS;
        }
        lease.left -= 1;
        Ok(Room::of(want.limit, lease.empty_at, lease.left, now))
    }

    /// A whole lease, or a single unit when there is not room for a lease any more; answers how many, and when the bucket is empty again.
    async fn lease_units(store: &dyn LimitStore, key: &[u8], units: u32, now: Timestamp, want: &Want<'_>) -> Result<(u32, i64)> {
        match Self::take_units(store, key, units, now, want).await {
            Ok(until) => Ok((units, until)),
            Err(error) if matches!(error.kind(), ErrorKind::RateLimited { .. }) => {
                Self::take_units(store, key, 1, now, want).await.map(|until| (1, until))
            }
            Err(error) => Err(error),
        }
    }

    async fn take_units(store: &dyn LimitStore, key: &[u8], units: u32, now: Timestamp, want: &Want<'_>) -> Result<i64> {
        match store.take(want.limit.take(key.to_vec(), units), now).await? {
            Taken::Allowed { until } => Ok(until),
            Taken::Full { wait } => {
                let retry_after = u32::try_from((wait + 999_999) / 1_000_000).unwrap_or(u32::MAX).max(1);
                Err(Error::new(
                    ErrorKind::RateLimited { limit: want.name, retry_after },
                    "Too many requests; please wait a little and try again",
                ))
            }
        }
    }

    /// Whether an event should tell that this bucket is full.
    fn should_tell(&self, key: Vec<u8>, now: Timestamp) -> bool {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.len() > Self::MOST_LEASES {
            told.retain(|_, at| now.millis_since(*at) < Self::TELL_MILLIS);
        }
        if told.len() > Self::MOST_LEASES || told.get(&key).is_some_and(|at| now.millis_since(*at) < Self::TELL_MILLIS) {
            return false;
        }
        told.insert(key, now);
        true
    }

    fn leased(&self, key: &[u8], now: Timestamp) -> Arc<Leased> {
        let mut leases = self.leases.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if leases.len() > Self::MOST_LEASES {
            leases.retain(|_, leased| leased.lease.try_lock().is_none_or(|lease| lease.until > now.as_millis()));
        }
        Arc::clone(leases.entry(key.to_vec()).or_default())
    }
}

impl Engine {
    /// Takes one unit of a limit for a caller; the operator learns, at most once a minute for each bucket, that it is full.
    ///
    /// # Errors
    /// `RateLimited` with the limit's name.
    pub(crate) async fn take_limit(&self, caller: &Caller, want: Want<'_>) -> Result<()> {
        self.take_of_limit(caller, want).await.map(|_| ())
    }

    /// The same; answers what is left.
    async fn take_of_limit(&self, caller: &Caller, want: Want<'_>) -> Result<Room> {
        let now = self.clock.now();
        let (name, subject) = (want.name, want.subject);
        let result = self.limiter.take(self.store.as_ref(), &self.keys, now, want).await;
        let is_full = result.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::RateLimited { .. }));
        if is_full && self.limiter.should_tell(self.keys.digest(name, subject), now) {
            let mut draw = Draw::new(self.entropy.as_ref(), now)?;
            let event = Event::new(EventKind::LimitReached, caller, &mut draw, now)
                .with("limit", name)
                .with("network", caller.context.network());
            self.store.append_events(vec![event]).await?;
        }
        result
    }
}

impl Engine {
    /// Counts a request of a client, for dialects that count every one: against its app, or (`Some`) against one of the app's groups.
    ///
    /// # Errors
    /// `RateLimited`; those of storage.
    pub async fn count_request(&self, caller: &Caller, group: Option<GroupId>) -> Result<Room> {
        let settings = &caller.app.settings;
        let app = caller.app.id;
        match group {
            None => {
                let limit = settings.limit_requests_per_app;
                self.take_of_limit(caller, Want { name: "requests_per_app", subject: &[app.as_bytes()], limit }).await
            }
            Some(group) => {
                let limit = settings.limit_requests_per_group;
                let subject: [&[u8]; 2] = [app.as_bytes(), group.as_bytes()];
                self.take_of_limit(caller, Want { name: "requests_per_group", subject: &subject, limit }).await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_read_as_they_print() {
        let limit = Limit::parse("5 per 15m").unwrap();
        assert_eq!(limit, Limit::new(5, Lifetime::from_minutes(15)));
        assert_eq!(String::from(limit), "5 per 15m");
        for bad in ["", "5", "0 per 1m", "-1 per 1m", "5 per", "5 per 0s", "many per 1m", "4000000000 per 1s"] {
            assert!(Limit::parse(bad).is_err(), "{bad}");
        }
    }
}
