//! What should exist: the records behind one interface.
