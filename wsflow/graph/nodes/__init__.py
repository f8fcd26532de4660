"""Ready-made nodes, built on nothing but the contract a learner has too."""
