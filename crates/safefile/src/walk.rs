//! From the root to the file by descriptors.
