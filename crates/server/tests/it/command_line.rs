//! The binary as operators call it; whole runs of a server are tested elsewhere.

use std::process::{Command, Output};

fn passlink(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_passlink"));
    command.args(arguments).env_clear().output().expect("the binary runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_exit_code_tells_done_from_failed_from_used_wrongly() {
    assert_eq!(passlink(&["config", "print"]).status.code(), Some(0));
    assert_eq!(passlink(&["check-config", "/nowhere/passlink.toml"]).status.code(), Some(1));
    assert_eq!(passlink(&["serv"]).status.code(), Some(2));
    assert_eq!(passlink(&["app", "list"]).status.code(), Some(2), "neither --config nor --data");
}

#[test]
fn a_missing_file_is_told_with_what_to_do() {
    let output = passlink(&["serve", "--config", "/nowhere/passlink.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("passlink config print >"), "{}", told(&output));
}

#[test]
fn a_good_configuration_is_ok_and_a_bad_one_tells_everything() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passlink.toml");
    let path = file.to_str().unwrap();
    std::fs::write(
        &file,
        "[server]\npublic_origin = \"https://auth.example.com\"\nsecret = \"0123456789abcdef0123456789abcdef\"\n",
    )
    .unwrap();
    let output = passlink(&["check-config", path]);
    let summary = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && summary.starts_with("ok\n"), "{summary}{}", told(&output));
    assert!(summary.contains("https://auth.example.com") && !summary.contains("0123456789abcdef"));

    std::fs::write(&file, "[server]\nlisen = \"x\"\n[databse]\n").unwrap();
    let output = passlink(&["check-config", path]);
    assert_eq!(output.status.code(), Some(1));
    for part in [
        "did you mean listen?",
        "did you mean [database]?",
        "server.public_origin is missing",
        "server.secret (or secret_file) is missing",
    ] {
        assert!(told(&output).contains(part), "{part} is not in {}", told(&output));
    }
}

#[test]
fn dev_refuses_other_machines_and_a_taken_port() {
    let output = passlink(&["dev", "--listen", "0.0.0.0:0", "--data", "/nowhere/data"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("passlink serve"), "{}", told(&output));

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = passlink(&["dev", "--listen", &address, "--data", "/nowhere/data"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("--listen 127.0.0.1:8081"), "{}", told(&output));
}

#[test]
fn a_folder_that_dev_did_not_make_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = passlink(&["app", "list", "--data", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("--config"), "{}", told(&output));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made in it");
}
