//! Where the model's steps stand in the code.
