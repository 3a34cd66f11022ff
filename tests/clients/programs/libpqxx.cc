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
    std::cout << "user " << work.exec1("SELECT current_user")[0].as<std::string>() << std::endl;
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
