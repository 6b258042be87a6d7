"""From a provisioning script to a machine image: component documents, the pipeline's builds, and `invoke bake-ami`."""
