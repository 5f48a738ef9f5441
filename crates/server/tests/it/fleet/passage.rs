//! A way to PostgreSQL on which connections can fall silent, as after a failover of its address: no end, no reset, nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Passes bytes on both ways.
pub struct Passage {
    pub port: u16,
    age: Arc<AtomicU64>,
    target: Arc<Mutex<String>>,
    task: JoinHandle<()>,
}

impl Passage {
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let age = Arc::new(AtomicU64::new(0));
        let ages = Arc::clone(&age);
        let target = Arc::new(Mutex::new(target));
        let targets = Arc::clone(&target);
        let task = tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                let target = targets.lock().expect("a target").clone();
                // As on a machine where nobody listens.
                let Ok(there) = TcpStream::connect(&target).await else { continue };
                let ((read_here, write_here), (read_there, write_there)) = (here.into_split(), there.into_split());
                let born = ages.load(Ordering::SeqCst);
                tokio::spawn(pass(read_here, write_there, Arc::clone(&ages), born));
                tokio::spawn(pass(read_there, write_here, Arc::clone(&ages), born));
            }
        });
        Self { port, age, target, task }
    }

    /// New connections lead elsewhere; those there are stay where they are.
    pub fn turn_to(&self, target: String) {
        *self.target.lock().expect("a target") = target;
    }

    /// Everything that is connected now falls silent; new connections work.
    pub fn silence(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin, ages: Arc<AtomicU64>, born: u64) {
    let mut part = [0; 16_384];
    loop {
        let count = from.read(&mut part).await.unwrap_or(0);
        if ages.load(Ordering::SeqCst) != born {
            // Held open, and never served again.
            return std::future::pending().await;
        }
        if count == 0 || to.write_all(&part[..count]).await.is_err() {
            return;
        }
    }
}
