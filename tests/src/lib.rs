//! The month end to end, on the deployed template.
