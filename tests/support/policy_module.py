"""A module of the SELinux policy, as checkmodule and semodule_package make it."""
from __future__ import annotations

import base64
import bz2

# module real 1.0; require { type usr_t; } type real_t;
REAL = bz2.decompress(base64.b64decode(
    "QlpoOTFBWSZTWZSM5SoAAM1/wP/IyoxAAWAAQgYIAL41nkQAAoAgsAC4sNRMgAaAAAaGmgGBkGRo"
    "AYjIZDIGglNJJmiMRoAxADQAiKgm0swJLB2ckRImi45WiiDxATjsA7ISdNPEemfHGiqUAYIoYyWO"
    "ZvrhapVhNZA59nAlxOA0UzXer7pNES3dTUgJBF6mEZbyBWTBAkIoFBWDE5GaQki1Po34CwcStg4C"
    "h0dlbXwN34HO/F3JFOFCQlIzlKg="))
