//! Which deployment a command is about: the stack that is named, or the laptop's, and clients of its parts.
//!
//! A command takes [`TargetArgs`] (flattened), opens a [`Target`], and asks it for what it needs: the buckets, the
//! queues, a function. Credentials, region and endpoints come from the ordinary AWS environment.

use std::{collections::BTreeMap, sync::Arc};

use clap::Args;
use soxauto_cloud::{
    aws::{self, Account, AccountError, Clients, Emulator},
    clock::SystemClock,
    lake::{Lake, S3Lake},
    lease::Leases,
    queue::{Queue, SqsQueue},
};
use soxauto_domain::{ControlId, layout::Layout};
use soxauto_local::{Announcement, announced, find_project_root};
use soxauto_runs::RunReader;

/// Which deployment a command is about.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetArgs {
    /// CloudFormation stack of template.yaml; without it, the stack that `soxauto local up` or `local run` has started.
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// Region of the stack; without it, the one of the AWS environment.
    #[arg(long, value_name = "REGION", requires = "stack")]
    region: Option<String>,
}

/// Why a deployment cannot be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    /// No stack was named and none is up here.
    #[error(
        "which deployment? give --stack NAME (and --region), or start one with `soxauto local up`"
    )]
    None,
    /// Several stacks are up on this machine.
    #[error(
        "{0} stacks are up on this machine: export the environment that the one you mean has printed, and give --stack soxauto-local"
    )]
    Several(usize),
    /// The account does not answer as it should.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The stack lacks an output.
    #[error("the stack {stack} has no usable output {output}: deploy the template of this release")]
    Output {
        /// The stack.
        stack: String,
        /// Name of the output.
        output: &'static str,
    },
}

/// A deployment and clients of its parts. Building one asks CloudFormation once.
pub(crate) struct Target {
    /// Name of the CloudFormation stack.
    pub(crate) stack: String,
    /// Whether it is the laptop's, found without being named.
    pub(crate) found_here: bool,
    /// Region, as given on the command line.
    pub(crate) region: Option<String>,
    /// Clients of the account's services.
    pub(crate) clients: Clients,
    /// The account itself: who is asking, functions.
    pub(crate) account: Account,
    outputs: BTreeMap<String, String>,
}

impl TargetArgs {
    /// Finds the deployment.
    ///
    /// # Errors
    /// [`TargetError`] says what to give, or what the account said.
    pub(crate) async fn open(&self) -> Result<Target, TargetError> {
        let (stack, found_here, config, clients) = match &self.stack {
            Some(stack) => {
                let config = match &self.region {
                    Some(region) => aws::load_in(region).await,
                    None => aws::load().await,
                };
                let clients = Clients::new(&config);
                (stack.clone(), false, config, clients)
            }
            None => {
                let laptop = laptop()?;
                let emulator = Emulator {
                    endpoint: laptop.aws,
                    redshift_endpoint: Some(laptop.redshift),
                    region: laptop.region,
                };
                let config = aws::load_emulator(&emulator).await;
                (
                    laptop.stack,
                    true,
                    config,
                    Clients::of_emulator(&emulator).await,
                )
            }
        };
        let account = Account::new(&config);
        Ok(Target {
            outputs: account.stack_outputs(&stack).await?,
            region: self.region.clone(),
            stack,
            found_here,
            clients,
            account,
        })
    }
}

/// The one stack that is up in this project.
fn laptop() -> Result<Announcement, TargetError> {
    let root = find_project_root().map_err(|_| TargetError::None)?;
    let mut living = announced(&root.join(".soxauto"));
    match living.len() {
        0 | 1 => living.pop().ok_or(TargetError::None),
        several => Err(TargetError::Several(several)),
    }
}

impl Target {
    /// An output of the stack.
    ///
    /// # Errors
    /// [`TargetError::Output`] for one that the stack does not have.
    pub(crate) fn output(&self, name: &'static str) -> Result<&str, TargetError> {
        self.outputs
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| self.without(name))
    }

    fn without(&self, output: &'static str) -> TargetError {
        TargetError::Output {
            stack: self.stack.clone(),
            output,
        }
    }

    /// The control that the stack runs.
    ///
    /// # Errors
    /// [`TargetError::Output`] for a stack of an older release.
    pub(crate) fn control(&self) -> Result<ControlId, TargetError> {
        self.output("Control")?
            .parse()
            .map_err(|_| self.without("Control"))
    }

    /// The evidence bucket.
    ///
    /// # Errors
    /// [`TargetError::Output`].
    pub(crate) fn evidence(&self) -> Result<Arc<dyn Lake>, TargetError> {
        let bucket = self.output("EvidenceBucketName")?;
        Ok(Arc::new(S3Lake::new(self.clients.s3.clone(), bucket)))
    }

    /// The state bucket.
    ///
    /// # Errors
    /// [`TargetError::Output`].
    pub(crate) fn state(&self) -> Result<Arc<dyn Lake>, TargetError> {
        let bucket = self.output("StateBucketName")?;
        Ok(Arc::new(S3Lake::new(self.clients.s3.clone(), bucket)))
    }

    /// Reader of the runs in the evidence bucket.
    ///
    /// # Errors
    /// [`TargetError::Output`].
    pub(crate) fn reader(&self) -> Result<RunReader, TargetError> {
        let layout = Layout::new(self.output("EvidencePrefix")?);
        Ok(RunReader::new(self.evidence()?, layout))
    }

    /// Leases in the state bucket, for looking only.
    ///
    /// # Errors
    /// [`TargetError::Output`].
    pub(crate) fn leases(&self) -> Result<Leases, TargetError> {
        Ok(Leases::new(self.state()?, Arc::new(SystemClock)))
    }

    /// The queue whose URL that output holds.
    ///
    /// # Errors
    /// [`TargetError::Output`].
    pub(crate) fn queue(&self, output: &'static str) -> Result<Arc<dyn Queue>, TargetError> {
        Ok(Arc::new(SqsQueue::new(
            self.clients.sqs.clone(),
            self.output(output)?,
        )))
    }

    /// A command of this tool about the same deployment, as the operator would type it.
    pub(crate) fn command(&self, arguments: &str) -> String {
        let mut text = format!("soxauto {arguments}");
        if !self.found_here {
            text.push_str(" --stack ");
            text.push_str(&self.stack);
        }
        if let Some(region) = &self.region {
            text.push_str(" --region ");
            text.push_str(region);
        }
        text
    }
}
