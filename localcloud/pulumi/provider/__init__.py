"""A stand-in for ``pulumi-resource-aws``: Pulumi's provider protocol over boto3, for the types this project
uses.

It exists because a machine without the provider's release cannot run a Pulumi AWS program at all. It talks to
one endpoint on the loopback interface and refuses every other (:mod:`.aws`); it is never put on the PATH of a
real deployment.

Run as ``python -m localcloud.pulumi.provider ENGINE_ADDRESS``: it prints the port it listens on and serves
until it is told to stop.

* :mod:`.codec` -- values on the wire; :mod:`.server` -- the protocol, knows no AWS; :mod:`.table` -- the
  table of types;
* :mod:`.lifecycle` -- what all types share (with :mod:`.validate`, :mod:`.autoname`, :mod:`.compare`,
  :mod:`.tags`);
* :mod:`.resources` -- one class a type, knows no gRPC;
* :mod:`.sdk` -- argument names and types, derived (:mod:`.derive`) from the installed ``pulumi_aws`` package
  and kept in the user's cache.
"""
