//! Entry point of the worker function.

use aws_lambda_events::sqs::SqsEvent;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use soxauto_worker::{Context, handle};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let context = Context::from_environment().await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<SqsEvent>| {
        let context = &context;
        async move { handle(context, event).await }
    }))
    .await
}
