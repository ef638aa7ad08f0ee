//! What every small program does the same way: exits, reports, prompts, progress

pub mod getopt;
