// SPDX-License-Identifier: Apache-2.0

#include <QCoreApplication>
#include <QSqlDatabase>
#include <QSqlError>
#include <QSqlQuery>
#include <QTextStream>
#include <QVariant>
#include <cstdlib>

namespace {

QTextStream out(stdout);

class ReportService {
 public:
  void OpenReport(const QString& name) {
    QSqlDatabase connection = Prepare(name);
    const bool open = connection.open();  // LEAK
    if (!open) qFatal("%s", qPrintable(connection.lastError().text()));
  }

  void LoadUser() {
    {
      QSqlDatabase connection = Prepare("user");
      if (!connection.open()) qFatal("%s", qPrintable(connection.lastError().text()));
      QSqlQuery query("SELECT current_user", connection);
      query.next();
      out << "user " << query.value(0).toString() << Qt::endl;
    }
    QSqlDatabase::removeDatabase("user");
  }

 private:
  static QSqlDatabase Prepare(const QString& name) {
    QSqlDatabase connection = QSqlDatabase::addDatabase("QPSQL", name);
    connection.setConnectOptions("application_name=report_service");
    return connection;
  }
};

}  // namespace

int main(int count, char** words) {
  const QCoreApplication application(count, words);
  ReportService service;
  const QStringList arguments = QCoreApplication::arguments();
  for (int left = arguments.at(1).toInt(); left > 0; --left) {
    service.OpenReport("report" + QString::number(left));
  }
  service.LoadUser();
  out << "ready" << Qt::endl;
  getchar();
  out << "done" << Qt::endl;
  return 0;
}
