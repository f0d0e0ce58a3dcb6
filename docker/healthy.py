"""Exit code 0 when the server in this container is ready, 1 when it isn't."""

import os
import sys
import urllib.error
import urllib.request

address = f"http://127.0.0.1:{os.environ.get('MIEN_PORT', '8000')}/readyz"
ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # a proxy wouldn't find this container
try:
    with ask(address, timeout=3) as answer:
        sys.exit(answer.status != 200)
except (urllib.error.URLError, OSError) as error:
    sys.exit(f"{address}: {error}")
