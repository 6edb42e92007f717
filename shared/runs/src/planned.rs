//! A plan taken apart by IPE, so that what concerns one of them need not touch the others.

use std::collections::{BTreeMap, BTreeSet};

use soxauto_domain::{IpeId, Plan, PlannedIpe, facts::Stored};

/// A run's plan. It is created once and never changed: who has read it need not read it again.
#[derive(Debug)]
pub struct Planned {
    /// The plan without its IPEs.
    head: Stored<Plan>,
    ipes: BTreeMap<IpeId, PlannedIpe>,
}

impl Planned {
    /// The plan without its IPEs, with digest and size of the whole.
    #[must_use]
    pub fn head(&self) -> &Stored<Plan> {
        &self.head
    }

    /// How many IPEs it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ipes.len()
    }

    /// The plan as if it held only these IPEs; those that it does not hold are left out.
    #[must_use]
    pub fn only(&self, ipes: &BTreeSet<IpeId>) -> Stored<Plan> {
        let mut plan = self.head.clone();
        plan.document.ipes = ipes
            .iter()
            .filter_map(|id| self.ipes.get(id).cloned())
            .collect();
        plan
    }
}

impl From<Stored<Plan>> for Planned {
    fn from(mut plan: Stored<Plan>) -> Self {
        let ipes = std::mem::take(&mut plan.document.ipes);
        Self {
            head: plan,
            ipes: ipes.into_iter().map(|ipe| (ipe.id.clone(), ipe)).collect(),
        }
    }
}
