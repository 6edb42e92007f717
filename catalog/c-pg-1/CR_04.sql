-- Ledger balances ("actuals") at the closing date: the day before the cutoff.
SELECT
    CAST(b.[Company_Code] AS nvarchar(20)) AS company_code,
    CAST(dc.[Company_Country] AS nvarchar(10)) AS country_code,
    CAST(dc.[Local_Currency] AS nvarchar(10)) AS local_currency,
    CAST(dc.[Opco/Central_?] AS nvarchar(10)) AS opco_or_central,
    CAST(b.[G/L_Account_No] AS nvarchar(20)) AS gl_account,
    CAST(coa.[Account_Name] AS nvarchar(100)) AS gl_account_name,
    CAST(b.[Closing_Date] AS date) AS closing_date,
    CAST(b.[Balance_At_Date (LCY)] AS decimal(38, 20)) AS balance_lcy,
    CAST(b.[Net_Change (LCY)] AS decimal(38, 20)) AS net_change_lcy,
    CAST(b.[No_of_Entries] AS int) AS entry_count
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[V_BS_BALANCE_PER_CLOSING_DATE] AS b
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = b.[Company_Code]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_ChartOfAccounts] AS coa
    ON coa.[G/L_Account_No] = b.[G/L_Account_No]
WHERE b.[Closing_Date] = @closing_date
    AND dc.[Flg_In_Conso_Scope] = @in_scope
    AND b.[G/L_Account_No] IN (@accounts)
