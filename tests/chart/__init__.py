"""Tests of the Helm chart that need no cluster, and the helm that they and the tests on the API server use."""
