import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;

/** Logs in through pgjdbc with each pair of arguments, URL and password, and prints how that went. */
public class Logins {
  public static void main(String[] arguments) {
    for (int i = 0; i < arguments.length; i += 2) {
      try (Connection connection = DriverManager.getConnection(arguments[i], "app", arguments[i + 1])) {
        System.out.println("in");
      } catch (SQLException error) {
        System.out.println(error.getSQLState());
      }
    }
  }
}
