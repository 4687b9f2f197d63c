//! The one seam at the very bottom: what the store asks of a disk. Real files, memory, and a disk that loses power.
