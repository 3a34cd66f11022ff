// SPDX-License-Identifier: Apache-2.0

#include <iostream>
#include <memory>
#include <pqxx/pqxx>
#include <string>
#include <vector>

namespace {

class ReportService {
 public:
  void OpenReport() {
    auto connection = std::make_unique<pqxx::connection>(conninfo_);  // LEAK
    reports_.push_back(std::move(connection));
  }

  void LoadUser() {
    pqxx::connection connection(conninfo_);
    pqxx::work work(connection);
    // exec1 is deprecated since libpqxx 7.9, and libpqxx 6 has no one_row.
    const pqxx::result users = work.exec("SELECT current_user");
    std::cout << "user " << users[0][0].as<std::string>() << std::endl;
  }

 private:
  const std::string conninfo_ = "application_name=report_service";
  std::vector<std::unique_ptr<pqxx::connection>> reports_;
};

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  ReportService service;
  for (int left = std::stoi(words[1]); left > 0; --left) service.OpenReport();
  service.LoadUser();
  std::cout << "ready" << std::endl;
  std::cin.get();
  std::cout << "done" << std::endl;
}
