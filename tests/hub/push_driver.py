"""A process of its own that pushes: HF_ENDPOINT is read when huggingface_hub is imported.

Reads one request (a JSON object: ``what``, ``folder``, ``repo_id``, options) per line and answers
each with one line: the report, or the error and its class. Waiting costs no time here.
"""

import json
import sys
import time
from pathlib import Path

from countenance.dataset_script.publish import push_dataset, push_model

time.sleep = lambda _seconds: None

for line in sys.stdin:
    request = json.loads(line)
    push = {"dataset": push_dataset, "model": push_model}[request.pop("what")]
    folder = Path(request.pop("folder"))
    try:
        answer = {"report": push(folder, **request).to_dict()}
    except Exception as error:
        answer = {"error": str(error), "kind": type(error).__name__}
    print(json.dumps(answer), flush=True)
