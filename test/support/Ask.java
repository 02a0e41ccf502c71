import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

/** Connects with each URL but the first argument, which is the query, and prints what comes back. */
public class Ask {
  public static void main(String[] arguments) throws Exception {
    for (int i = 1; i < arguments.length; i++) {
      try (Connection connection = DriverManager.getConnection(arguments[i]);
          Statement statement = connection.createStatement();
          ResultSet result = statement.executeQuery(arguments[0])) {
        result.next();
        System.out.println(result.getString(1));
      }
    }
  }
}
