//! A child process that cannot outlive the launcher, with a log file and a last word when it fails.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::error::StackError;

/// How much of a log goes into an error.
const TAIL_LINES: usize = 15;
const TAIL_BYTES: u64 = 8 * 1024;

/// What to run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// The name in messages.
    pub(crate) name: &'static str,
    pub(crate) command: PathBuf,
    pub(crate) arguments: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) folder: PathBuf,
    /// Receives standard error.
    pub(crate) log: PathBuf,
}

/// A running process and all it has started: they end when this is dropped, and when the launcher dies, since the
/// process ends itself when its standard input closes.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    log: PathBuf,
    group: Option<Pid>,
    child: Child,
    lease: Option<ChildStdin>,
    output: Option<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `program` as the leader of its own process group, so that ctrl-C reaches only the launcher.
    pub(crate) fn start(program: &Program) -> Result<Self, StackError> {
        let log = File::create(&program.log).map_err(StackError::file("create", &program.log))?;
        let mut child = Command::new(&program.command)
            .args(&program.arguments)
            .env_clear()
            .envs(&program.environment)
            .current_dir(&program.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(StackError::file("start", &program.command))?;
        Ok(Self {
            name: program.name,
            log: program.log.clone(),
            group: child.id().and_then(|id| Pid::from_raw(id.cast_signed())),
            lease: child.stdin.take(),
            output: child.stdout.take().map(BufReader::new),
            child,
        })
    }

    /// The first line the process writes to standard output.
    pub(crate) async fn first_line(&mut self, limit: Duration) -> Result<String, StackError> {
        let mut line = String::new();
        if let Some(output) = &mut self.output {
            match timeout(limit, output.read_line(&mut line)).await {
                Err(_) => return Err(self.silent(limit)),
                Ok(Ok(length)) if length > 0 => {
                    self.drain_output();
                    return Ok(line.trim_end().to_owned());
                }
                Ok(_) => {}
            }
        }
        // The output closed without a line: the process ends, or soon will.
        match timeout(Duration::from_secs(5), self.child.wait()).await {
            Ok(Ok(status)) => Err(self.ended(status.to_string())),
            _ => Err(self.silent(limit)),
        }
    }

    /// Waits for the process to end well, and returns what it wrote to standard output.
    pub(crate) async fn finish(mut self, limit: Duration) -> Result<String, StackError> {
        let mut text = String::new();
        let output = self.output.take();
        let wait = async {
            if let Some(mut output) = output {
                // What cannot be read as text is no announcement; the status decides.
                let _ = tokio::io::AsyncReadExt::read_to_string(&mut output, &mut text).await;
            }
            self.child.wait().await
        };
        match timeout(limit, wait).await {
            Err(_) => Err(self.silent(limit)),
            Ok(Ok(status)) if status.success() => Ok(text),
            Ok(Ok(status)) => Err(self.ended(status.to_string())),
            Ok(Err(error)) => Err(self.ended(error.to_string())),
        }
    }

    /// Sends one line to the process.
    pub(crate) async fn send_line(&mut self, line: &str) -> Result<(), StackError> {
        if let Some(lease) = &mut self.lease {
            let text = format!("{line}\n");
            let written = async {
                lease.write_all(text.as_bytes()).await?;
                lease.flush().await
            }
            .await;
            if written.is_ok() {
                return Ok(());
            }
        }
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status.to_string(),
            _ => "closed input".to_owned(),
        };
        Err(self.ended(status))
    }

    /// Closes the process's standard input, for a process that reads it to its end.
    pub(crate) fn end_input(&mut self) {
        self.lease = None;
    }

    /// Fails when the process has ended.
    pub(crate) fn check(&mut self) -> Result<(), StackError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.ended(status.to_string())),
            Err(error) => Err(self.ended(error.to_string())),
        }
    }

    /// Closes the lease, gives the process `grace` to end by itself, then ends it and all it has started.
    pub(crate) async fn stop(mut self, grace: Duration) {
        self.lease = None;
        let _ = timeout(grace, self.child.wait()).await;
        self.end_group();
        let _ = timeout(Duration::from_secs(5), self.child.wait()).await;
    }

    /// Nothing more is expected on standard output, but a full pipe would block the process.
    fn drain_output(&mut self) {
        if let Some(mut output) = self.output.take() {
            tokio::spawn(async move {
                let _ = tokio::io::copy_buf(&mut output, &mut tokio::io::sink()).await;
            });
        }
    }

    fn end_group(&mut self) {
        if let Some(group) = self.group.take() {
            // An error means that nobody is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn ended(&self, status: String) -> StackError {
        StackError::Ended {
            name: self.name,
            status,
            log: self.log.clone(),
            tail: tail(&self.log),
        }
    }

    fn silent(&self, waited: Duration) -> StackError {
        StackError::Silent {
            name: self.name,
            waited,
            log: self.log.clone(),
            tail: tail(&self.log),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end_group();
    }
}

/// The last lines of a log, indented.
pub(crate) fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match read() {
        Err(error) => format!("  (no log: {error})"),
        Ok(text) if text.trim().is_empty() => "  (the log is empty)".to_owned(),
        Ok(text) => {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..]
                .iter()
                .map(|line| format!("  {line}"))
                .collect::<Vec<_>>()
                .join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, folder: &Path) -> Program {
        Program {
            name: "test process",
            command: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            folder: folder.to_owned(),
            log: folder.join("log"),
        }
    }

    #[tokio::test]
    async fn an_early_exit_shows_the_last_words() {
        let folder = tempfile::tempdir().unwrap();
        let program = shell("echo one >&2; echo the reason >&2; exit 3", folder.path());
        let error = Process::start(&program)
            .unwrap()
            .first_line(Duration::from_secs(10))
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("  the reason"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn silence_is_an_error_after_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(&shell("sleep 30", folder.path())).unwrap();
        let error = process
            .first_line(Duration::from_millis(100))
            .await
            .unwrap_err();
        assert!(matches!(error, StackError::Silent { .. }), "{error}");
    }

    #[tokio::test]
    async fn dropping_ends_grandchildren_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut process =
            Process::start(&shell("sleep 300 & echo $!; wait", folder.path())).unwrap();
        let grandchild = process.first_line(Duration::from_secs(10)).await.unwrap();
        let status = PathBuf::from(format!("/proc/{grandchild}/status"));
        assert!(status.exists());
        drop(process);
        for _ in 0..100 {
            let gone =
                std::fs::read_to_string(&status).map_or(true, |text| text.contains("State:\tZ"));
            if gone {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("process {grandchild} is still there");
    }

    #[tokio::test]
    async fn lines_reach_the_process_and_its_answer_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = Process::start(&shell("read a; echo got $a", folder.path())).unwrap();
        process.send_line("hello").await.unwrap();
        assert_eq!(
            process.first_line(Duration::from_secs(10)).await.unwrap(),
            "got hello"
        );
    }
}
