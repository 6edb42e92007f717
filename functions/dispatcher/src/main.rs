//! Entry point of the dispatcher function.

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use soxauto_dispatcher::{Context, handle};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let context = Context::from_environment().await?;
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| {
        let context = &context;
        async move { handle(context, event.payload, &event.context.request_id).await }
    }))
    .await
}
