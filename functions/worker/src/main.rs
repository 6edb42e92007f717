//! Entry point of the worker function.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use soxauto_worker::{Context, handle};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let context = Context::from_environment().await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let context = &context;
        async move { handle(context, event).await }
    }))
    .await
}
