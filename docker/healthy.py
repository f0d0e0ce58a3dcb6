"""Exit code 0 when the server in this container answers, over http or https, 1 when it doesn't. It may be busy."""

import http.client
import os
import ssl
import sys
import urllib.error
import urllib.request

itself = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # whose certificate is for the name that others call it by
itself.check_hostname, itself.verify_mode = False, ssl.CERT_NONE
no_proxy = urllib.request.ProxyHandler({})  # one wouldn't find this container
ask = urllib.request.build_opener(no_proxy, urllib.request.HTTPSHandler(context=itself)).open
port = os.environ.get("MIEN_PORT") or "8000"  # empty where a compose file hands on what isn't set
port = "8000" if port.startswith("tcp://") else port  # Kubernetes', where a Service is called mien
said = []
for scheme in ("http", "https"):
    address = f"{scheme}://127.0.0.1:{port}/healthz"
    try:
        with ask(address, timeout=2) as answer:
            sys.exit(answer.status != 200)
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        said.append(f"{address}: {error}")
sys.exit("\n".join(said))
