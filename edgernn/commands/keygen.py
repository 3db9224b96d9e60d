"""`edgernn keygen`: a new pair of keys, to sign and to verify."""

import json

import click

from edgernn.commands.options import shared
from edgernn.commands.options.password import password
from edgernn.commands.options.types import PATH


@click.command(no_args_is_help=True)
@click.argument("key", type=PATH)
@click.option("--no-password", is_flag=True, help="Leave the secret key unencrypted: whoever reads its file can sign.")
@shared.as_json
def keygen(key: str, no_password: bool, as_json: bool) -> None:
    """Make a pair of keys, to sign and to verify.

    KEY.key is the secret key: it signs, only you may read it, and its password is asked for, or is a line of standard
    input. KEY.pub is the public key, for every device. Both are files of minisign. Existing files are never replaced.
    """
    from edgernn.files import atomic
    from edgernn.package.minisign import dump_public_key, public_text
    from edgernn.package.secret_key import dump_secret_key
    from edgernn.package.signature import generate

    secret, public = f"{key}.key", f"{key}.pub"
    atomic.absent((secret, public))
    pair = generate()
    data = dump_secret_key(pair, None if no_password else password(new=True))
    atomic.create_all({secret: data, public: dump_public_key(pair.public_key)}, private=(secret,))
    if as_json:
        text = public_text(pair.public_key)
        click.echo(json.dumps({"id": str(pair.public_key), "public_key": text, "files": [secret, public]}))
        return
    click.echo(f"{secret}: the secret key, {'not encrypted' if no_password else 'encrypted'}; keep it to yourself")
    click.echo(f"{public}: the public key {pair.public_key}, {public_text(pair.public_key)}")
