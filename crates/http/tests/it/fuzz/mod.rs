//! Fuzzing (`security.md` 39): one target for each kind of request, over the whole router and a real store.
//!
//! Inputs are valid requests ([`targets`], [`world`]) that were changed a few times ([`mutation`]), knowing their structure or not; what must hold for every answer
//! stands in [`holds`]. A new route needs an entry in [`targets::TARGETS`]; a test tells when it is missing.
//!
//! `FUZZ_SECONDS` is how long all targets run together, over all cores (20 unless it is set). `FUZZ_SEED` begins with the same inputs each time, so that a change is judged
//! by itself and not by luck; without it they are new. `FUZZ_REPLAY`, as a failure prints it, runs one round again. What was found
//! becomes a test of its own beside the others (`sec_input.rs`, or a wire case).

mod call;
mod holds;
mod mutation;
mod targets;
mod world;

use std::hash::{BuildHasher, RandomState};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use call::Call;
use mutation::{Input, input};
use targets::{TARGETS, Target};
use world::World;

use crate::support::{Answer, TestApp, filled};

/// Requests to one world; then there is a fresh one, with its links unused.
const ROUND: u64 = 150;
/// How often a failing input is made simpler at most.
const SIMPLER: usize = 200;

/// The request of an input, when it can be sent at all.
fn build(target: &Target, world: &World, input: &Input) -> Option<Call> {
    let seeds = (target.seeds)(world);
    let mut call = input.seed.get(&seeds).clone();
    input.mutations.iter().for_each(|mutation| mutation.apply(&mut call));
    call.can_be_sent().then_some(call)
}

/// Sends one request; the answer, or what does not hold.
async fn check(world: &World, call: &Call) -> Result<Answer, String> {
    let before = world.rows();
    let answer = tokio::time::timeout(Duration::from_secs(20), world.send(call));
    let answer = answer.await.map_err(|_| "no answer within 20 seconds".to_owned())?;
    holds::answer(world, call, &answer)?;
    holds::rows(call, &answer, &before, &world.rows())?;
    Ok(answer)
}

fn generator(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// One round; how many requests were sent, or the tale of the first that failed.
async fn round(target: &Target, seed: u64, until: Option<Instant>) -> Result<u64, String> {
    let (mut runner, inputs) = (generator(seed), input());
    let world = World::new(seed).await;
    let mut sent = 0;
    for number in 0..ROUND {
        // On a busy machine making the world may take all the time there is: something is sent all the same.
        if sent > 0 && until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        let mut tree = inputs.new_tree(&mut runner).expect("inputs are made without rejecting any");
        let Some(call) = build(target, &world, &tree.current()) else { continue };
        sent += 1;
        let Err(what) = check(&world, &call).await else { continue };
        let (call, what, note) = match fails_afresh(target, seed, &tree.current()).await {
            Some(_) => {
                let (call, what) = simplest(target, seed, &mut tree).await;
                (call, what, "by itself")
            }
            None => (call, what, "only after what came before it in its round"),
        };
        let replay = format!("FUZZ_REPLAY='{seed} {}'", target.routes[0]);
        return Err(format!("{what}\nfails {note}; request {number} of: {replay}\n{call}"));
    }
    Ok(sent)
}

/// Whether an input fails in a world of its own.
async fn fails_afresh(target: &Target, seed: u64, input: &Input) -> Option<(Call, String)> {
    let world = World::new(seed).await;
    let call = build(target, &world, input)?;
    check(&world, &call).await.err().map(|what| (call, what))
}

/// The simplest input that still fails.
async fn simplest(target: &Target, seed: u64, tree: &mut impl ValueTree<Value = Input>) -> (Call, String) {
    let mut best = fails_afresh(target, seed, &tree.current()).await.expect("it failed a moment ago");
    for _ in 0..SIMPLER {
        let failed = fails_afresh(target, seed, &tree.current()).await;
        let goes_on = match failed {
            Some(failed) => {
                best = failed;
                tree.simplify()
            }
            None => tree.complicate(),
        };
        if !goes_on {
            break;
        }
    }
    best
}

fn in_a_runtime<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Fuzzes one target for so long.
fn fuzz(target: &Target, first: u64, time: Duration) -> Result<u64, String> {
    let until = Instant::now() + time;
    let mut sent = 0;
    for seed in first.. {
        if Instant::now() >= until {
            break;
        }
        sent += in_a_runtime(round(target, seed, Some(until)))?;
    }
    Ok(sent)
}

#[test]
fn sec_39_fuzz_every_kind_of_request() {
    if let Ok(replay) = std::env::var("FUZZ_REPLAY") {
        let (seed, route) = replay.split_once(' ').expect("FUZZ_REPLAY is a seed, a blank and a route");
        let target = TARGETS.iter().find(|target| target.routes[0] == route).expect("FUZZ_REPLAY names a target");
        in_a_runtime(round(target, seed.parse().unwrap(), None)).unwrap_or_else(|what| panic!("{what}"));
        return;
    }
    let seconds = std::env::var("FUZZ_SECONDS").map_or(20.0, |text| text.parse::<f64>().expect("FUZZ_SECONDS is a number"));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(TARGETS.len()));
    let each = Duration::from_secs_f64(seconds * cores as f64 / TARGETS.len() as f64);
    // New inputs each time, unless they are to be the same ones; a failure names its own.
    let given = std::env::var("FUZZ_SEED").map(|text| text.parse().expect("FUZZ_SEED is a number"));
    let first = given.unwrap_or_else(|_| RandomState::new().hash_one("first seed") >> 16);
    let (next, failed, counts) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(target) = TARGETS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    match fuzz(target, first, each) {
                        Ok(sent) => counts.lock().unwrap().push((target.routes[0], sent)),
                        Err(what) => failed.lock().unwrap().push(what),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} targets failed:\n\n{}", failed.len(), failed.join("\n\n"));
    let idle: Vec<_> = counts.into_inner().unwrap().into_iter().filter(|(_, sent)| *sent == 0).collect();
    assert!(idle.is_empty(), "nothing was sent to {idle:?}");
}

/// Each valid request is what it says: it reaches its route, and what must hold holds.
#[test]
fn every_seed_of_the_fuzzer_is_valid() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(target) = TARGETS.get(next.fetch_add(1, Ordering::SeqCst)) {
                    in_a_runtime(seeds_are_valid(target));
                }
            });
        }
    });
}

async fn seeds_are_valid(target: &Target) {
    let mut number = 0;
    loop {
        let world = World::new(0).await;
        let seeds = (target.seeds)(&world);
        let Some(call) = seeds.get(number) else { break };
        let answer = check(&world, call).await.unwrap_or_else(|what| panic!("{what}\n{call}"));
        let refused = answer.status.is_client_error();
        assert!(!refused, "{:?} refuses its own seed: {}\n{call}\n{}", target.routes, answer.status, answer.body);
        number += 1;
        if number == seeds.len() {
            break;
        }
    }
}

#[tokio::test]
async fn every_route_has_a_fuzz_target() {
    let app = TestApp::dev().await;
    let mut mounted = Vec::new();
    for path in &app.paths {
        let methods = app.methods_of(&filled(path)).await;
        mounted.extend(methods.iter().filter(|m| !["HEAD", "OPTIONS"].contains(&m.as_str())).map(|m| format!("{m} {path}")));
    }
    let fuzzed: Vec<&str> = TARGETS.iter().flat_map(|target| target.routes).copied().collect();
    let missing: Vec<_> = mounted.iter().filter(|route| !fuzzed.contains(&route.as_str())).collect();
    assert!(missing.is_empty(), "without a fuzz target: {missing:?}");
    let gone: Vec<_> = fuzzed.iter().filter(|route| !mounted.iter().any(|there| there == *route)).collect();
    assert!(gone.is_empty(), "fuzzed and not mounted: {gone:?}");
}
