//! The main job on both interfaces.
use super::{Context, work_dir};
use crate::{
    apt,
    report::{Report, Summary},
    scenario::{self, Setup},
    sh::Result,
    tour,
};

pub(crate) fn crb(context: &mut Context, report: &mut Report) -> Result<()> {
    run(context, report, "crb")
}

pub(crate) fn tis(context: &mut Context, report: &mut Report) -> Result<()> {
    run(context, report, "tis")
}

fn run(context: &mut Context, report: &mut Report, interface: &str) -> Result<()> {
    apt::ensure(apt::GUEST)?;
    let setup = Setup {
        sigillo: context.sigillo()?,
        dir: work_dir(&format!("e2e-{interface}"))?,
        name: "e2e".to_owned(),
        interface: interface.to_owned(),
    };
    if setup.exists() {
        setup.delete()?;
    }
    let mut summary = Summary::new();
    scenario::run(&setup, context.guest()?, report, &mut summary)?;
    summary.print();
    Ok(())
}

/// A person's day with two hosts, as `docs/tour.md` tells it.
pub(crate) fn tour(context: &mut Context, report: &mut Report) -> Result<()> {
    apt::ensure(apt::GUEST)?;
    let sigillo = context.sigillo()?;
    tour::check(&work_dir("tour")?, &sigillo, context.guest()?, report)
}
