//! One suite per port, which the real thing and its twin both run.
//!
//! A suite is an async function that panics where the port's promise is broken. It works on names
//! below a prefix that the caller makes unique, so that it can run in a bucket in use.

pub mod lake;
pub mod lease;
pub mod queue;
pub mod secrets;
pub mod signer;

#[cfg(test)]
mod twins;
