"""`edgernn sign`: the signature of a file, by a secret key."""

import json

import click

from edgernn.commands.options import shared
from edgernn.commands.options.password import password
from edgernn.commands.options.types import PATH


@click.command(no_args_is_help=True)
@click.argument("artifact", type=PATH)
@shared.key
@click.option("--version", metavar="VERSION", default="", help="Sign this version too: dotted integers, as 1.2.0.")
@shared.as_json
def sign(artifact: str, key: str, version: str, as_json: bool) -> None:
    """Sign a model file with a secret key.

    ARTIFACT is a .rnn, .onnx, .tflite or .so file; its signature is written beside it, as ARTIFACT.minisig. `minisign
    -V` verifies it, and so does `edgernn.open` where a key is demanded. The trusted comment has the name and version.
    """
    from edgernn.package.signing import read_secret_key, sign_file, signable

    data = signable(artifact, version)
    signed = sign_file(artifact, data, read_secret_key(key, password), version)
    if as_json:
        click.echo(json.dumps({"file": signed.path, "key": signed.key, "trusted_comment": signed.comment}))
        return
    click.echo(f"{signed.path}: signed by the key {signed.key}; {signed.comment}")
