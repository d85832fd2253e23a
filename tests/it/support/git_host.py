"""A Git host on asyncssh, for the tests: git_host.py FOLDER

Listens on 127.0.0.1 at a free port, which it writes to FOLDER/port, and logs to standard error. FOLDER/authorized_keys
is read at each login. Commands run with the environment that the client asks for, so Git's version 2 works.
"""

import asyncio
import os
import pathlib
import subprocess
import sys

import asyncssh

FOLDER = pathlib.Path(sys.argv[1])


def log(text):
    print(text, file=sys.stderr, flush=True)


class Server(asyncssh.SSHServer):
    def connection_made(self, connection):
        self.connection = connection

    def connection_lost(self, error):
        log(f"lost: {error!r}" if error else "closed")

    def begin_auth(self, user):
        self.connection.set_authorized_keys(str(FOLDER / "authorized_keys"))
        return True

    def auth_completed(self):
        log(f"let in {self.connection.get_extra_info('username')}")


async def run(process):
    """One command. `redirect` is the short way, and the one that does not survive a client that ends too early."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(FOLDER)}
    environment.update({name: value for name, value in process.env.items() if name == "GIT_PROTOCOL"})
    pipe = subprocess.PIPE
    command = subprocess.Popen(process.command, shell=True, stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    # Without `send_eof=False` the end of one stream would be the end of both, and what the other still says an error.
    await process.redirect(stdin=command.stdin, stdout=command.stdout, stderr=command.stderr, send_eof=False)
    status = await asyncio.get_running_loop().run_in_executor(None, command.wait)
    await process.stdout.drain()
    await process.stderr.drain()
    process.exit(status)


async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_public_key(str(FOLDER / "host_key.pub"))
    server = await asyncssh.create_server(
        Server, "127.0.0.1", 0, server_host_keys=[key], process_factory=run, encoding=None
    )
    (FOLDER / "port").write_text(str(server.get_port()))
    log("listening")
    await server.wait_closed()


asyncio.run(main())
