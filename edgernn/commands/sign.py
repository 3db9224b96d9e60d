"""`edgernn sign`: the signature of a file, by a secret key."""

import json

import click

from edgernn.commands.options import shared
from edgernn.commands.options.password import password
from edgernn.commands.options.types import PATH


@click.command(no_args_is_help=True)
@click.argument("file", type=PATH)
@shared.key(required=True)
@click.option("--version", metavar="VERSION", default="", help="Sign this version too: dotted integers, as 1.2.0.")
@shared.as_json
def sign(file: str, key: str, version: str, as_json: bool) -> None:
    """Sign a package or a model file.

    FILE is a .edge package, whose manifest is signed and which is written anew with the signature inside, or a .rnn,
    .onnx, .tflite or .so file, beside which FILE.minisig is written. `minisign -V` verifies both, and `edgernn.open`
    where a key is demanded. The trusted comment has the name and the version; those of a package are in its manifest.
    """
    from edgernn.package.signing import read_secret_key, signable

    content = signable(file, version)
    secret = read_secret_key(key, password)
    path, name = content.sign(secret, key), str(secret.public_key)
    if as_json:
        click.echo(json.dumps({"file": path, "key": name, "trusted_comment": content.comment}))
        return
    click.echo(f"{path}: signed by the key {name}; {content.comment}")
