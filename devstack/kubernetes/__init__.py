"""A real Kubernetes control plane on this machine, with KWOK playing the nodes."""
