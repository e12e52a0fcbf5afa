//! The contexts of HEVC's arithmetic coding (H.265 9.3.2).

use std::ops::{Deref, DerefMut};

use super::super::coding::engine::{Engine, State, state_of};
use super::tables::{CONTEXTS, INIT};

/// Probability states and Rice statistics: what wavefronts and dependent slice segments hand over (9.3.2.4).
#[derive(Clone, Debug)]
pub(super) struct Contexts {
    states: [State; CONTEXTS],
    /// `StatCoeff`.
    pub(super) rice: [u8; 4],
}

impl Contexts {
    /// At the start of a slice (9.3.2.2), by `initType`: 0 for I slices.
    pub(super) fn new(kind: usize, qp: i32) -> Self {
        let values = INIT.get(kind).copied().unwrap_or([154; CONTEXTS]);
        let states = values.map(|value| {
            let value = i32::from(value);
            let (slope, offset) = ((value >> 4) * 5 - 45, ((value & 15) << 3) - 16);
            state_of(((slope * qp.clamp(0, 51)) >> 4) + offset)
        });
        Self { states, rice: [0; 4] }
    }
}

/// The arithmetic decoder with its contexts.
#[derive(Debug)]
pub(super) struct Cabac<'b> {
    engine: Engine<'b>,
    pub(super) contexts: Contexts,
}

impl<'b> Cabac<'b> {
    /// Begins at the byte `from`.
    pub(super) fn new(bytes: &'b [u8], from: usize, contexts: Contexts) -> Self {
        Self { engine: Engine::new(bytes, from), contexts }
    }

    /// The same bin without a branch: for such that nothing depends on at once.
    #[inline]
    pub(super) fn flag(&mut self, index: u8) -> bool {
        self.contexts.states.get_mut(usize::from(index)).is_some_and(|state| self.engine.flag(state))
    }

    /// A bin with the context `index`.
    #[inline]
    pub(super) fn bin(&mut self, index: u8) -> bool {
        self.contexts.states.get_mut(usize::from(index)).is_some_and(|state| self.engine.bin(state))
    }
}

impl<'b> Deref for Cabac<'b> {
    type Target = Engine<'b>;

    fn deref(&self) -> &Self::Target {
        &self.engine
    }
}

impl DerefMut for Cabac<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.engine
    }
}
