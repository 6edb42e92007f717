//! The source's password changes in the middle of a month, on the deployed template: workers that hold the old one are
//! refused, fetch the secret again and go on, and the month is as if nothing had happened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use soxauto_domain::{RunId, RunState, facts::RunFacts, layout::state};
use soxauto_e2e::{
    CUTOFF, Laptop, another_template,
    settled::{Contents, contents},
    wire::{Trouble, Wire},
};
use soxauto_local::Function;
use soxauto_tds::Login;

const READER: &str = "soxauto_reader";
const READER_B: &str = "soxauto_reader_b";
const FIRST: &str = "Sample-Data-0nly";
const SECOND: &str = "s3cond-Rotation-Passw0rd";
const THIRD: &str = "th1rd-Rotation-Passw0rd";
/// How long source and secret disagree.
const GAP: Duration = Duration::from_secs(3);
/// How long the rows of a month take, so that the change comes in between.
const MONTH_SECONDS: u64 = 8;
const LIMIT: Duration = Duration::from_secs(120);

fn login(name: &str, password: &str) -> Login {
    Login {
        name: name.to_owned(),
        password: password.to_owned(),
        can_write: false,
    }
}

struct Rotated {
    laptop: Laptop,
    wire: Wire,
    undisturbed: Contents,
}

impl Rotated {
    /// A stack whose workers are warm: they have closed a month with the first password.
    async fn start(driver: &str) -> Self {
        let project = another_template(|template| {
            let wanted = format!("Default: {driver}");
            assert_eq!(template.matches("Default: mssql-tds").count(), 1);
            template.replace("Default: mssql-tds", &wanted)
        });
        let root = project.path().to_owned();
        let laptop = Laptop::start_as(|options| options.project_root = root).await;
        let wire = Wire::start(laptop.stack.endpoints().source).await;
        let mut this = Self {
            laptop,
            wire,
            undisturbed: Contents::new(),
        };
        this.laptop.put_secret(&this.secret(READER, FIRST)).await;
        let run = this.begin().await;
        let facts = this.laptop.closed(&run, 1).await;
        assert_eq!(facts.state(false), RunState::Complete, "{:?}", facts.ipes);
        this.undisturbed = contents(&facts);
        let (_, receipt) = facts.ipes[0].deciding().unwrap();
        assert_eq!(receipt.query.decoder.unwrap().as_str(), driver);
        let pace = this.wire.bytes() / MONTH_SECONDS;
        // Two reports at a time.
        this.wire.trouble(move |_| Trouble::Pace(pace / 2));
        this
    }

    fn secret(&self, user: &str, password: &str) -> String {
        let source = self.laptop.stack.endpoints().source.port().to_string();
        let wire = self.wire.address().port().to_string();
        let secret = self.laptop.secret(Some(password));
        assert!(secret.contains(&source) && secret.contains(READER));
        secret.replace(&source, &wire).replace(READER, user)
    }

    /// Starts the month once more.
    async fn begin(&self) -> RunId {
        let event = json!({"cutoff_date": CUTOFF, "supersede": true});
        let stack = &self.laptop.stack;
        let answer = stack.invoke(Function::Dispatcher, &event).await.unwrap();
        let run = answer["run_id"].as_str();
        run.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
    }

    /// Waits until some reports are done, one is under way and others wait in the queue.
    async fn until_in_the_middle(&self, run: &RunId) {
        let began = Instant::now();
        loop {
            let facts = self.laptop.reader.facts(run).await.unwrap().unwrap();
            let done = contents(&facts).len();
            let leases = state::run_leases(run);
            let at_work = self.laptop.state.list(&leases).await.unwrap().len();
            if done >= 2 && at_work > 0 {
                assert!(done + at_work < facts.ipes.len(), "{done} {at_work}");
                return;
            }
            assert!(began.elapsed() < LIMIT);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The month is complete, each report at its first attempt, and holds what it held undisturbed.
    async fn assert_undisturbed(&self, run: &RunId) -> RunFacts {
        let facts = self.laptop.closed(run, 1).await;
        assert_eq!(facts.state(false), RunState::Complete, "{:?}", facts.ipes);
        assert_eq!(contents(&facts), self.undisturbed);
        for ipe in &facts.ipes {
            assert_eq!(ipe.attempts.len(), 1, "{ipe:?}");
        }
        let faults = self.laptop.faults_of_ended(run, RunState::Complete).await;
        assert_eq!(faults, [""; 0]);
        facts
    }

    /// The events of a rotation in the journals of a run's attempts.
    async fn journals(&self, run: &RunId) -> Vec<String> {
        let mut events = Vec::new();
        let folder = self.laptop.reader.layout().run_folder(run);
        for object in self.laptop.evidence.list(&folder).await.unwrap() {
            if object.key.ends_with("log.jsonl") {
                let bytes = self.laptop.evidence.get(&object.key).await.unwrap().bytes;
                for line in String::from_utf8(bytes.to_vec()).unwrap().lines() {
                    let line: Value = serde_json::from_str(line).unwrap();
                    let event = line["event"].as_str().unwrap();
                    events.extend(event.starts_with("secret_").then(|| event.to_owned()));
                }
            }
        }
        events
    }

    async fn finish(self) {
        self.laptop.until_idle().await;
        assert_eq!(self.laptop.left_behind().await, [""; 0]);
        assert_eq!(self.laptop.verify_all().await, [""; 0]);
        let log = self.laptop.stack.function_logs(Function::Worker).await;
        let log: String = log.unwrap().into_iter().map(|l| l.message + "\n").collect();
        assert!(log.contains("waiting for a rotation to end"));
        assert!(log.contains("the secret has another value: trying with it"));
        for password in [FIRST, SECOND, THIRD] {
            assert!(!log.contains(password));
        }
        self.laptop.stack.stop().await;
    }
}

async fn the_month_goes_on(driver: &str) {
    let rotated = Rotated::start(driver).await;
    let stack = &rotated.laptop.stack;

    // The source first, the secret some seconds later.
    let run = rotated.begin().await;
    rotated.until_in_the_middle(&run).await;
    stack.set_source_logins(vec![login(READER, SECOND)]);
    tokio::time::sleep(GAP).await;
    rotated
        .laptop
        .put_secret(&rotated.secret(READER, SECOND))
        .await;
    rotated.assert_undisturbed(&run).await;
    let events = rotated.journals(&run).await;
    assert!(events.iter().any(|e| e == "secret_awaited"), "{events:?}");
    assert!(events.iter().any(|e| e == "secret_changed"), "{events:?}");

    // As a rotation function of Secrets Manager does it, with two logins in turn: the new value waits as AWSPENDING until it
    // is set and tried; then it is AWSCURRENT, and the old login is disabled later.
    let run = rotated.begin().await;
    rotated.until_in_the_middle(&run).await;
    let secrets = &rotated.laptop.clients.secrets;
    let id = &stack.outputs().source_secret_arn;
    let pending = secrets
        .put_secret_value()
        .secret_id(id)
        .secret_string(rotated.secret(READER_B, THIRD))
        .version_stages("AWSPENDING")
        .send()
        .await
        .unwrap();
    stack.set_source_logins(vec![login(READER, SECOND), login(READER_B, THIRD)]);
    let current = secrets
        .get_secret_value()
        .secret_id(id)
        .send()
        .await
        .unwrap();
    assert!(current.secret_string().unwrap().contains(SECOND));
    secrets
        .update_secret_version_stage()
        .secret_id(id)
        .version_stage("AWSCURRENT")
        .move_to_version_id(pending.version_id().unwrap())
        .remove_from_version_id(current.version_id().unwrap())
        .send()
        .await
        .unwrap();
    stack.set_source_logins(vec![login(READER_B, THIRD)]);
    let facts = rotated.assert_undisturbed(&run).await;
    let events = rotated.journals(&run).await;
    assert!(events.iter().any(|e| e == "secret_changed"), "{events:?}");
    // Who read which report is in its receipt.
    let logins: BTreeSet<&str> = facts
        .ipes
        .iter()
        .map(|ipe| ipe.deciding().unwrap().1.source.login.as_str())
        .collect();
    assert_eq!(logins, BTreeSet::from([READER, READER_B]));

    rotated.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_mssql_tds_a_month_goes_on_while_the_password_changes() {
    the_month_goes_on("mssql-tds").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tiberius_a_month_goes_on_while_the_password_changes() {
    the_month_goes_on("tiberius").await;
}
