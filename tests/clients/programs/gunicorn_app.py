# SPDX-License-Identifier: Apache-2.0
#
# A WSGI application that leaks a connection with each request.
import psycopg2

reports = []


def open_report():
    connection = psycopg2.connect("application_name=report_service")  # LEAK
    reports.append(connection)


def load_user():
    connection = psycopg2.connect("application_name=report_service")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        user = cursor.fetchone()[0]
    connection.close()
    return user


def application(environ, start_response):
    open_report()
    body = load_user().encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
