//! Opens, creates, replaces and audits files whose whole path is safe
