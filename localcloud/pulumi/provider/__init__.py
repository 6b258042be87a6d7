"""A stand-in for `pulumi-resource-aws`: Pulumi's provider protocol over boto3, for the types this project
uses.

It exists because a machine without the provider's release cannot run a Pulumi AWS program at all. It talks to
one endpoint on the loopback interface and refuses every other (`aws`); it is never put on the PATH of a
real deployment.

Run as `python -m localcloud.pulumi.provider ENGINE_ADDRESS`: it prints the port it listens on and serves
until it is told to stop.

* `codec` -- values on the wire; `server` -- the protocol, knows no AWS; `table` -- the types, their inputs;
* `lifecycle` -- what all types share (with `validate`, `traits`, `autoname`, `compare`, `tags`);
* `resources` -- the verbs of each type, know no gRPC: data over `resources.named`, code where behaviour is;
* `sdk` -- argument names and types, derived (`derive`) from the installed `pulumi_aws` package and kept in
  the user's cache.
"""
