//! How often a program really asks for its files to be on disk, seen from outside with strace.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// Every sync takes this many microseconds longer, so that an answer which does not wait for it comes first.
const DELAY: &str = "inject=fdatasync,fsync:delay_enter=20000";

/// The syncs of one program, its threads and its children.
pub struct Syncs {
    folder: TempDir,
}

impl Syncs {
    /// Fails, and says why, where programs cannot be watched.
    pub fn watch() -> Self {
        let probe = Command::new("strace").args(["-f", "-e", "trace=fsync", "-o", "/dev/null", "true"]).output();
        let probe = probe.unwrap_or_else(|error| {
            panic!("strace does not run ({error}); scripts/test installs it (Debian and Ubuntu: apt install strace)")
        });
        assert!(
            probe.status.success(),
            "strace may not watch programs here; in a container allow it with --cap-add=SYS_PTRACE: {}",
            String::from_utf8_lossy(&probe.stderr)
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PostgreSQL runs as another user.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("everybody may write");
        Self { folder }
    }

    /// The program, watched. It is the process that is started; strace stands beside it and ends with it.
    pub fn of(&self, program: &Path) -> Command {
        let mut command = Command::new("strace");
        // One file for each thread, so that no line is torn apart; `-y` writes the path of the file that is synced.
        command.args([
            "-D",
            "-ff",
            "--seccomp-bpf",
            "-qq",
            "-y",
            "-e",
            "trace=fdatasync,fsync",
            "-e",
            "signal=none",
            "-e",
            DELAY,
            "-o",
        ]);
        command.arg(self.folder.path().join("of-thread")).arg(program).env_clear();
        command
    }

    /// How many syncs of files with `part` in their path have succeeded so far. A line is written before its thread goes on.
    pub fn of_files(&self, part: &str) -> usize {
        let files = std::fs::read_dir(self.folder.path()).expect("the folder is there").flatten();
        let texts = files.map(|file| std::fs::read_to_string(file.path()).expect("a text"));
        texts.map(|text| text.lines().filter(|line| line.contains(part) && line.contains(" = 0")).count()).sum()
    }
}
