"""
The embedded Swift, with Keystone for its authentication.

``python serve_swift.py FOLDER KEYSTONE``, in Keystone's environment. Everything else is as in the process of the
embedded store: the configuration on standard input, the line on standard output, the end. The user in the configuration
is Swift's own account at Keystone: PROJECT:user.
"""

from __future__ import annotations

import sys

from airflow_dlaas.service.objectstore import swift_config
from airflow_dlaas.service.objectstore.__main__ import main
from airflow_dlaas.service.objectstore.swift_config import LaunchConfig, StoreFolders

KEYSTONE = sys.argv[2]


def behind_keystone(order: LaunchConfig, folders: StoreFolders, suffix: str) -> str:
    project, user = order.user.split(":")
    # Tokens are not cached, so that a revoked token is refused immediately.
    authtoken = f"""\
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {KEYSTONE}
auth_url = {KEYSTONE}
auth_type = password
project_domain_id = default
project_name = {project}
user_domain_id = default
username = {user}
password = {order.key}
delay_auth_decision = true
include_service_catalog = false
cache = swift.cache
token_cache_time = -1
"""
    keystoneauth = """\
use = egg:swift#keystoneauth
operator_roles = member
"""
    return swift_config.proxy_config_with_auth({"authtoken": authtoken, "keystoneauth": keystoneauth}, folders)


if __name__ == "__main__":
    main(behind_keystone)
